from django.db import migrations


def forwards(apps, schema_editor):
    Draft = apps.get_model("blog", "Draft")

    for draft in Draft.objects.filter(empty=True):
        draft.delete()

    for draft in Draft.objects.all():
        draft.pages += 1
        if draft.revision is None or draft.revision > 100:
            draft.revision = 0
            draft.save()


class Migration(migrations.Migration):
    dependencies = [("blog", "0002_new_owners")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
