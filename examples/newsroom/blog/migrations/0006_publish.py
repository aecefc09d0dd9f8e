"""Loops of which migfix changes little, or more only when asked to, and says why."""

from django.db import migrations


def forwards(apps, schema_editor):
    BlogPost = apps.get_model("blog", "BlogPost")

    # save() refreshes the column `changed`, update() does not.
    for post in BlogPost.objects.filter(published=False):
        post.published = True
        post.save()

    # The loop fixes which posts are counted: a new query would find none.
    posts = BlogPost.objects.filter(views=0)
    for post in posts:
        post.views = len(post.body)
        post.save(update_fields=["views"])
    print(len(posts), "posts had no views")

    # The newest post of each owner: the rows are needed when the loop is over.
    newest = {}
    for post in BlogPost.objects.order_by("changed"):
        newest[post.owner_id] = post
    print(*(post.title for post in newest.values()))


class Migration(migrations.Migration):
    dependencies = [("blog", "0005_blogpost_changed")]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
