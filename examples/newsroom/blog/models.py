from django.db import models


class Writer(models.Model):
    name = models.CharField(max_length=100)


class BlogPost(models.Model):
    title = models.CharField(max_length=255)
    author = models.CharField(max_length=60)
    owner = models.ForeignKey(Writer, on_delete=models.CASCADE, null=True)
    body = models.TextField()
    teaser = models.TextField(null=True)
    views = models.IntegerField(default=0)
    published = models.BooleanField(default=False)
    changed = models.DateTimeField(auto_now=True)


class Draft(models.Model):
    title = models.CharField(max_length=255)
    empty = models.BooleanField(default=False)
    revision = models.IntegerField(null=True)
    pages = models.IntegerField(default=1)
