from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("blog", "0004_credits")]
    operations = [
        migrations.AddField("BlogPost", "changed", models.DateTimeField(auto_now=True, null=True)),
    ]
